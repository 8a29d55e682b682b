//! One bucket: at most `k` contacts, and spares.

use dsys_core::{NodeId, Time};

use super::contact::Contact;

/// At most `k` contacts, and spares beside them. Both in the order in which they were last seen, the longest ago
/// first (§2.2).
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) contacts: Vec<Contact>,
    /// The replacement cache (§4.1). These were heard of, and have not answered us since.
    pub(super) spares: Vec<Contact>,
    /// When a key of this bucket was last looked up.
    pub(super) touched: Time,
}

impl Bucket {
    pub(super) fn contact(&mut self, id: NodeId) -> Option<&mut Contact> {
        self.contacts.iter_mut().find(|contact| contact.id == id)
    }

    /// Takes a contact out to put it back as the one seen last.
    pub(super) fn remove(&mut self, id: NodeId) -> Option<Contact> {
        let at = self.contacts.iter().position(|contact| contact.id == id)?;
        Some(self.contacts.remove(at))
    }

    pub(super) fn remove_spare(&mut self, id: NodeId) {
        self.spares.retain(|spare| spare.id != id);
    }

    /// The contact that has failed most often, if any has failed.
    pub(super) fn worst(&self) -> Option<NodeId> {
        let worst = self.contacts.iter().max_by_key(|contact| contact.failures)?;
        (worst.failures > 0).then_some(worst.id)
    }

    /// Keeps a spare as the one seen last; the one seen longest ago gives way.
    pub(super) fn keep_spare(&mut self, contact: Contact, most: usize) {
        self.remove_spare(contact.id);
        if most == 0 {
            return;
        }
        if self.spares.len() >= most {
            self.spares.remove(0);
        }
        self.spares.push(contact);
    }
}

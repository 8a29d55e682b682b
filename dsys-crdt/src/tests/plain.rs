//! The plain definition of the list: FugueMax as a tree (Weidner & Kleppmann, "The Art of the Fugue", 2023, §4 and §5),
//! one node a character, with nothing run-length encoded, cached or walked lazily.

use std::cmp::Ordering;

/// An edit of one character, made by an agent that knew some events.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// All events that the author knew, not only the last ones.
    pub(crate) known: Vec<bool>,
    pub(crate) edit: Edit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Insert(usize, char),
    Delete(usize),
}

#[derive(Clone, Debug)]
struct Node {
    event: usize,
    value: char,
    /// A node, or none for the root; and whether the right side of it.
    parent: Option<usize>,
    is_right: bool,
    right_origin: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) events: Vec<Event>,
    nodes: Vec<Node>,
    /// All nodes in the order of the text.
    order: Vec<usize>,
    /// For each event, the node that it deletes.
    deletes: Vec<Option<usize>>,
}

impl Plain {
    pub(crate) fn text(&self) -> String {
        self.text_at(&vec![true; self.events.len()])
    }

    /// The text as one sees it who knows these events.
    pub(crate) fn text_at(&self, known: &[bool]) -> String {
        self.visible(known).iter().map(|&node| self.nodes[node].value).collect()
    }

    /// The nodes visible to one who knows these events.
    pub(crate) fn visible(&self, known: &[bool]) -> Vec<usize> {
        let deleted = |node| (0..self.events.len()).any(|at| known[at] && self.deletes[at] == Some(node));
        self.order.iter().copied().filter(|&node| known[self.nodes[node].event] && !deleted(node)).collect()
    }

    /// The events that inserted what is visible, in the order of the text.
    pub(crate) fn events_at(&self, known: &[bool]) -> Vec<usize> {
        self.visible(known).iter().map(|&node| self.nodes[node].event).collect()
    }

    pub(crate) fn push(&mut self, event: Event) {
        let visible = self.visible(&event.known);
        match event.edit {
            Edit::Delete(at) => self.deletes.push(Some(visible[at])),
            Edit::Insert(at, value) => {
                self.deletes.push(None);
                let left = at.checked_sub(1).map(|at| visible[at]);
                let from =
                    left.map_or(0, |left| 1 + self.order.iter().position(|&each| each == left).unwrap());
                let knows = |node: &usize| event.known[self.nodes[*node].event];
                let right = self.order[from..].iter().copied().find(knows);
                let has_right = self
                    .nodes
                    .iter()
                    .any(|node| node.parent == left && node.is_right && event.known[node.event]);
                let (parent, is_right) = if has_right { (right, false) } else { (left, true) };
                let event = self.events.len();
                self.nodes.push(Node { event, value, parent, is_right, right_origin: right });
            }
        }
        self.events.push(event);
        let mut order = Vec::new();
        self.traverse(None, &mut order);
        self.order = order;
    }

    /// Left children, the node, right children.
    fn traverse(&self, node: Option<usize>, order: &mut Vec<usize>) {
        for child in self.children(node, false) {
            self.traverse(Some(child), order);
        }
        order.extend(node);
        for child in self.children(node, true) {
            self.traverse(Some(child), order);
        }
    }

    fn children(&self, parent: Option<usize>, is_right: bool) -> Vec<usize> {
        let all = 0..self.nodes.len();
        let mut children: Vec<usize> = all
            .filter(|&each| self.nodes[each].parent == parent && self.nodes[each].is_right == is_right)
            .collect();
        // None is the end of the text. The node that is being added is nobody's right origin yet.
        let place = |node: Option<usize>| {
            node.map_or(usize::MAX, |node| self.order.iter().position(|&each| each == node).unwrap())
        };
        children.sort_by(|&a, &b| {
            let (a, b) = (&self.nodes[a], &self.nodes[b]);
            let by_origin =
                if is_right { place(b.right_origin).cmp(&place(a.right_origin)) } else { Ordering::Equal };
            by_origin.then_with(|| {
                let ((a_name, a), (b_name, b)) =
                    ((&self.events[a.event].name, a.event), (&self.events[b.event].name, b.event));
                a_name.cmp(b_name).then(a.cmp(&b))
            })
        });
        children
    }
}

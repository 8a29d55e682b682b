//! Storage for the bodies of queued events: a vector with a list of free places, the one freed last first, so that
//! a new body goes where the cache is warm.

#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: u32,
}

#[derive(Debug)]
enum Place<T> {
    Full(T),
    Free { next: u32 },
}

const NONE: u32 = u32::MAX;

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { places: Vec::new(), free: NONE }
    }

    #[inline]
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        let at = self.free;
        if let Some(place) = self.places.get_mut(at as usize)
            && let Place::Free { next } = *place
        {
            self.free = next;
            *place = Place::Full(item);
            return at;
        }
        self.places.push(Place::Full(item));
        (self.places.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let place = self.places.get_mut(at as usize)?;
        if matches!(place, Place::Free { .. }) {
            return None;
        }
        let full = std::mem::replace(place, Place::Free { next: self.free });
        self.free = at;
        match full {
            Place::Full(item) => Some(item),
            Place::Free { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_reused_last_freed_first() {
        let mut slab = Slab::new();
        let places: Vec<u32> = (0..4).map(|item| slab.insert(item)).collect();
        assert_eq!(slab.remove(places[1]), Some(1));
        assert_eq!(slab.remove(places[1]), None);
        assert_eq!(slab.remove(places[3]), Some(3));
        assert_eq!(slab.insert(7), places[3]);
        assert_eq!(slab.insert(8), places[1]);
        assert_eq!(slab.insert(9), 4);
        assert_eq!(slab.remove(4), Some(9));
    }
}

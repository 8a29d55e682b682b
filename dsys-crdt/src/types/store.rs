//! A store under a name of its own.

/// Declares a store that is another inside, so that it has its own name and methods.
macro_rules! store {
    ($(#[$doc:meta])* $name:ident<$($param:ident),*> [$($bounds:tt)*] = $store:ty, edits: $edit:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $name<$($param),*>($store);

        impl<$($param),*> Default for $name<$($param),*> {
            fn default() -> Self {
                $name(Default::default())
            }
        }

        impl<$($bounds)*> DotStore for $name<$($param),*> {
            type Edit = $edit;

            fn is_empty(&self) -> bool {
                DotStore::is_empty(&self.0)
            }

            fn dots(&self, see: &mut dyn FnMut(&Dot)) {
                self.0.dots(see);
            }

            fn cut(&mut self, dots: &[Dot]) {
                self.0.cut(dots);
            }

            fn put(&mut self, edit: &Self::Edit, dot: Option<&Dot>, replaced: &[Dot]) {
                self.0.put(edit, dot, replaced);
            }

            fn join(&mut self, seen: &Context, other: &Self, other_seen: &Context) {
                self.0.join(seen, &other.0, other_seen);
            }
        }

        #[cfg(feature = "serde")]
        impl<'de, $($param),*> serde::Deserialize<'de> for $name<$($param),*>
        where
            $store: serde::Deserialize<'de>,
        {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(from).map($name)
            }
        }
    };
}
pub(super) use store;

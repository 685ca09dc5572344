//! The states of a kind of wheel, side by side.

use super::room::Room;
use slab::Slab;
use std::any::Any;

/// Where a value stands on the shelf of its type.
pub(super) type Place = u32;

/// Values, or places that are taken for values yet to come. The first place is nobody's, so that a
/// shelf that was ever used is not empty and keeps its block.
pub(super) struct Shelf<T>(Slab<Option<T>>);

impl<T: 'static> Shelf<T> {
    /// A shelf whose type is known to those who use it.
    pub(super) fn boxed() -> Box<dyn Any> {
        Box::new(Shelf(Slab::<Option<T>>::new()))
    }

    /// The shelf that was [`boxed`](Shelf::boxed).
    pub(super) fn of(any: &mut dyn Any) -> &mut Self {
        any.downcast_mut().expect("a shelf is asked for by who made it")
    }

    /// Takes a place for a value that is yet to come. O(1), no allocation once warm.
    #[inline(never)]
    pub(super) fn reserve(&mut self) -> Place {
        if self.0.len() == self.0.capacity() {
            self.grow();
        }
        self.0.insert(None) as Place
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.0.make_room();
        if self.0.is_empty() {
            self.0.insert(None);
        }
    }

    /// The value, unless it is yet to come.
    pub(super) fn value(&mut self, place: Place) -> Option<&mut T> {
        self.0.get_mut(place as usize)?.as_mut()
    }

    /// Puts a value where nothing was yet.
    pub(super) fn put(&mut self, place: Place, value: T) {
        self.0[place as usize] = Some(value);
    }

    /// Takes the value out, and gives up its place.
    #[inline(never)]
    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        self.0.try_remove(place as usize).flatten()
    }

    /// Gives back the room behind the last place that is taken. O(room).
    #[inline(never)]
    pub(super) fn give_back(&mut self) {
        self.0.give_back();
    }

    /// Gives back what many wheels took; see [`Room::tidy`].
    #[inline(never)]
    pub(super) fn tidy(&mut self) -> bool {
        self.0.tidy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_grows_to_a_block_in_one_step() {
        let mut shelf = Shelf::<[u64; 40]>(Slab::new());
        let mut rooms = vec![];
        for _ in 0..2000 {
            shelf.reserve();
            if rooms.last() != Some(&shelf.0.capacity()) {
                rooms.push(shelf.0.capacity());
            }
        }
        assert_eq!(rooms, [6, 780, 1560, 3120]);
    }
}

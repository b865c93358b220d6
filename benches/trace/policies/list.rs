//! A doubly linked list of ids, each in it at most once.

/// No id.
pub const NONE: u32 = u32::MAX;

/// The list. New ids go to its head.
#[derive(Debug)]
pub struct List {
    /// Towards the head, by id.
    newer: Vec<u32>,
    /// Towards the tail, by id.
    older: Vec<u32>,
    head: u32,
    tail: u32,
}

impl List {
    /// An empty one, for ids below `objects`.
    pub fn new(objects: usize) -> Self {
        Self { newer: vec![NONE; objects], older: vec![NONE; objects], head: NONE, tail: NONE }
    }

    /// The oldest id, or [`NONE`].
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// The next id towards the head, or [`NONE`].
    pub fn newer(&self, id: u32) -> u32 {
        self.newer[id as usize]
    }

    /// Adds an id that is not in the list.
    pub fn push(&mut self, id: u32) {
        (self.newer[id as usize], self.older[id as usize]) = (NONE, self.head);
        match self.head {
            NONE => self.tail = id,
            head => self.newer[head as usize] = id,
        }
        self.head = id;
    }

    /// Takes out an id that is in the list.
    pub fn remove(&mut self, id: u32) {
        let (newer, older) = (self.newer[id as usize], self.older[id as usize]);
        match newer {
            NONE => self.head = older,
            newer => self.older[newer as usize] = older,
        }
        match older {
            NONE => self.tail = newer,
            older => self.newer[older as usize] = newer,
        }
    }
}

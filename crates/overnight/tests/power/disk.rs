//! What a disk holds: what is to be seen, and what of it outlives a power failure.
//!
//! A file has bytes that are kept and changes that are not kept yet; a folder has entries likewise.
//! An fsync keeps the changes that were made before it began, of the one file or folder that it is
//! given: not the entry of a file in its folder, and not the bytes of the files in a folder.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::dice::Dice;
use crate::strace::Event;

/// The parts of a write that a disk keeps whole: of old disks, and of most.
const SECTORS: [usize; 2] = [512, 4096];

/// What becomes of changes that are not kept when the power fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// All of them are lost.
    Everything,
    /// Some happened all the same: of a folder, those up to one of them; of a file any, also in
    /// part.
    Something,
}

enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// Entries that change at once.
type Entries = Vec<(OsString, Option<usize>)>;

enum Node {
    File {
        kept: Vec<u8>,
        pending: VecDeque<Change>,
    },
    Folder {
        seen: BTreeMap<OsString, usize>,
        kept: BTreeMap<OsString, usize>,
        pending: VecDeque<Entries>,
    },
}

/// A disk with one folder, which was there for good at the beginning.
pub(crate) struct Disk {
    nodes: Vec<Node>,
    /// How many changes of each node were kept so far.
    settled: Vec<usize>,
    /// For each fsync under way: what it is of, and how many changes of that it keeps.
    syncs: HashMap<usize, (usize, usize)>,
}

const ROOT: usize = 0;

impl Disk {
    pub(crate) fn new() -> Self {
        let mut disk = Self {
            nodes: Vec::new(),
            settled: Vec::new(),
            syncs: HashMap::new(),
        };
        disk.add(folder());
        disk
    }

    /// Lets something happen.
    pub(crate) fn happen(&mut self, event: &Event) {
        match event {
            Event::Create(path) => {
                if self.find(path).is_none() {
                    let node = self.add(Node::File {
                        kept: Vec::new(),
                        pending: VecDeque::new(),
                    });
                    self.enter(path, vec![(name(path), Some(node))]);
                }
            }
            Event::Write(path, at, bytes) => {
                let at = usize::try_from(*at).unwrap();
                self.change(path, Change::Write(at, bytes.clone()));
            }
            Event::Truncate(path, length) => {
                self.change(path, Change::Truncate(usize::try_from(*length).unwrap()));
            }
            Event::CreateFolder(path) => {
                let node = self.add(folder());
                self.enter(path, vec![(name(path), Some(node))]);
            }
            Event::Rename(from, to) => {
                assert_eq!(from.parent(), to.parent(), "a rename across folders");
                let node = self.find(from).unwrap();
                self.enter(to, vec![(name(from), None), (name(to), Some(node))]);
            }
            Event::Remove(path) => self.enter(path, vec![(name(path), None)]),
            Event::SyncBegins(path, number) => {
                let node = self.find(path).unwrap();
                let changes = match &self.nodes[node] {
                    Node::File { pending, .. } => pending.len(),
                    Node::Folder { pending, .. } => pending.len(),
                };
                self.syncs
                    .insert(*number, (node, self.settled[node] + changes));
            }
            Event::SyncEnds(number) => {
                // One that is left out of a record has not begun.
                if let Some((node, until)) = self.syncs.remove(number) {
                    while self.settled[node] < until {
                        self.settled[node] += 1;
                        self.nodes[node].settle();
                    }
                }
            }
            Event::Answer => {}
        }
    }

    /// Writes down what is left when the power fails at this moment.
    pub(crate) fn fail(&self, loss: Loss, dice: &mut Dice, place: &Path) {
        self.write_down(ROOT, loss, dice, place);
    }

    fn write_down(&self, node: usize, loss: Loss, dice: &mut Dice, place: &Path) {
        match &self.nodes[node] {
            Node::File { kept, pending } => {
                let mut bytes = kept.clone();
                if loss == Loss::Something {
                    happen_in_part(&mut bytes, pending, dice);
                }
                fs::write(place, bytes).unwrap();
            }
            Node::Folder { kept, pending, .. } => {
                let mut entries = kept.clone();
                let happened = match loss {
                    Loss::Everything => 0,
                    Loss::Something => dice.below(pending.len() + 1),
                };
                for change in pending.iter().take(happened) {
                    apply(&mut entries, change);
                }
                fs::create_dir_all(place).unwrap();
                for (name, node) in entries {
                    self.write_down(node, loss, dice, &place.join(name));
                }
            }
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.settled.push(0);
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(ROOT, |node, name| {
            let Node::Folder { seen, .. } = &self.nodes[node] else {
                return None;
            };
            seen.get(name).copied()
        })
    }

    fn enter(&mut self, path: &Path, entries: Entries) {
        let above = self.find(path.parent().unwrap()).unwrap();
        let Node::Folder { seen, pending, .. } = &mut self.nodes[above] else {
            panic!("a file above {}", path.display());
        };
        apply(seen, &entries);
        pending.push_back(entries);
    }

    fn change(&mut self, path: &Path, change: Change) {
        let node = self.find(path).unwrap();
        let Node::File { pending, .. } = &mut self.nodes[node] else {
            panic!("{} is no file", path.display());
        };
        pending.push_back(change);
    }
}

impl Node {
    /// Keeps the oldest change that is not kept.
    fn settle(&mut self) {
        match self {
            Self::File { kept, pending } => match pending.pop_front().unwrap() {
                Change::Write(at, bytes) => write(kept, at, &bytes),
                Change::Truncate(length) => kept.resize(length, 0),
            },
            Self::Folder { kept, pending, .. } => apply(kept, &pending.pop_front().unwrap()),
        }
    }
}

fn folder() -> Node {
    Node::Folder {
        seen: BTreeMap::new(),
        kept: BTreeMap::new(),
        pending: VecDeque::new(),
    }
}

fn name(path: &Path) -> OsString {
    path.file_name().unwrap().to_owned()
}

fn apply(entries: &mut BTreeMap<OsString, usize>, change: &Entries) {
    for (name, node) in change {
        match node {
            Some(node) => entries.insert(name.clone(), *node),
            None => entries.remove(name),
        };
    }
}

fn write(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(new);
}

/// Lets some of the changes of a file happen: none, all, those up to one that is torn, or each
/// sector by chance.
fn happen_in_part(bytes: &mut Vec<u8>, pending: &VecDeque<Change>, dice: &mut Dice) {
    let sector = SECTORS[dice.below(SECTORS.len())];
    let (whole, torn) = match dice.below(4) {
        0 => (0, false),
        1 => (pending.len(), false),
        2 => (dice.below(pending.len() + 1), true),
        _ => (0, true),
    };
    for change in pending.iter().take(whole) {
        match change {
            Change::Write(at, new) => write(bytes, *at, new),
            Change::Truncate(length) => bytes.resize(*length, 0),
        }
    }
    let rest = pending.iter().skip(whole);
    let rest = rest.take(if whole > 0 { 1 } else { usize::MAX });
    for change in rest.take_while(|_| torn) {
        match change {
            Change::Write(at, new) => {
                let mut from = 0;
                while from < new.len() {
                    let until = (((at + from) / sector + 1) * sector - at).min(new.len());
                    if dice.below(2) == 0 {
                        write(bytes, at + from, &new[from..until]);
                    }
                    from = until;
                }
            }
            Change::Truncate(length) if dice.below(2) == 0 => bytes.resize(*length, 0),
            Change::Truncate(_) => {}
        }
    }
}

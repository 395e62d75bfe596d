//! Who runs where: names, moved and copied disks, backups. Of the disks only what they hold of the
//! members moves: the users' data stays with the machine.

use crate::copies::Backup;
use crate::world::World;

impl World {
    /// Gives a node another name from its next boot on.
    pub fn rename(&mut self, node: usize, name: &str) {
        self.hosts[node].identity.name = name.to_owned();
    }

    /// Copies a node's disk, running or not.
    #[must_use]
    pub fn backup(&self, node: usize) -> Backup {
        Backup { id: self.id(node), disk: self.hosts[node].disk.clone() }
    }

    /// Kills the process at a node and puts a backup on its disk, its own or another node's. What
    /// boots there next runs with the backup's id, at this node's address.
    pub fn restore(&mut self, node: usize, backup: Backup) {
        self.crash(node);
        let host = &mut self.hosts[node];
        // The first boot of a prefilled world passes over what it finds of itself.
        host.boots = host.boots.max(1);
        host.takes_id(backup.id);
        host.disk = backup.disk;
    }

    /// Kills the processes of two nodes and lets their disks and names change places: each comes
    /// back at the other's address.
    pub fn swap(&mut self, one: usize, other: usize) {
        let (first, second) = (self.backup(one), self.backup(other));
        self.restore(one, second);
        self.restore(other, first);
        let name = self.hosts[one].identity.name.clone();
        let name = std::mem::replace(&mut self.hosts[other].identity.name, name);
        self.rename(one, &name);
    }
}

//! Plain counters: what a node did, refused and shed since it started.

use serde::Serialize;

macro_rules! stats {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters since the start. All only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Stats {
            /// Every counter with its name and meaning, for metrics.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),+), self.$name),)+]
            }
        }
    };
}

stats! {
    /// Entries written by this node's own users.
    local_writes,
    /// Entries that came from peers and were new.
    entries_new,
    /// Entries that came from peers and were already known or older.
    entries_stale,
    /// Entries refused because their stamp is too far ahead of this node's clock.
    refused_skew,
    /// Entries taken although their stamp is more than half as far ahead of this node's clock as
    /// is admitted: they do not move the clock.
    stamps_ahead,
    /// Writes of this node's own users refused because of clocks: this node's is too far off, or
    /// what the write would take the place of is stamped too far ahead.
    refused_clock,
    /// Members refused because the table is full.
    refused_members,
    /// Notes about the key ring refused because they did not come sealed, or are none.
    refused_notes,
    /// Messages about members or passes that were not believed, since they came neither sealed nor
    /// with a proof that their sender receives where it says: it is asked for one, and says them again.
    refused_unproven,
    /// Members refused because so many others say that they receive at the same address.
    refused_crowded,
    /// Own records that others had made up and this node did not overrule at once, since there are
    /// many.
    refutations_held,
    /// Packets of other clusters or of no cluster, dropped unparsed.
    dropped_strangers,
    /// Packets of a protocol version not spoken here, dropped.
    dropped_version,
    /// Peers' answers that they do not speak the version of a packet from this node.
    versions_told,
    /// Packets or messages that could not be decoded, dropped.
    dropped_malformed,
    /// Messages with entries dropped because this node's disk was too far behind; they come again.
    dropped_behind,
    /// Messages of a type unknown to this build, passed over.
    unknown_messages,
    /// Packets sent by this node to itself, dropped.
    dropped_own,
    /// Messages of membership sent.
    sent_membership_messages,
    /// Bytes of membership packets sent.
    sent_membership_bytes,
    /// Messages of updates sent.
    sent_update_messages,
    /// Bytes of update packets sent.
    sent_update_bytes,
    /// Messages of repair sent.
    sent_repair_messages,
    /// Bytes of repair packets sent.
    sent_repair_bytes,
    /// Messages of membership sent to members of other zones.
    sent_cross_zone_membership_messages,
    /// Bytes of membership packets sent to members of other zones.
    sent_cross_zone_membership_bytes,
    /// Messages of updates sent to members of other zones.
    sent_cross_zone_update_messages,
    /// Bytes of update packets sent to members of other zones.
    sent_cross_zone_update_bytes,
    /// Messages of repair sent to members of other zones.
    sent_cross_zone_repair_messages,
    /// Bytes of repair packets sent to members of other zones.
    sent_cross_zone_repair_bytes,
    /// Copies of updates sent (entries times receivers).
    update_copies,
    /// Updates that a tree rumor carried into another zone (entries times zones), repeats not counted.
    tree_crossings,
    /// Tree rumors that came a second time and were not passed on.
    tree_duplicates,
    /// Branches of tree rumors that stayed silent and were delegated again.
    tree_redelegated,
    /// Rumors that were still hot and were dropped for lack of room.
    rumors_shed,
    /// Mails dropped because the outbox for a member was full.
    mail_dropped,
    /// Mails sent again for lack of a receipt.
    mail_retransmitted,
    /// Anti-entropy exchanges begun.
    repair_sessions,
    /// Anti-entropy exchanges that found equal replicas.
    repair_equal,
    /// Requests of anti-entropy that were passed over because the peer had been sent enough for the
    /// moment.
    repair_shed,
    /// Comparisons by sketches begun.
    sketch_sessions,
    /// Comparisons by sketches that this end answered with: nothing differs.
    sketch_equal,
    /// Comparisons by sketches that told this end what differs.
    sketch_known,
    /// Items that differed in those.
    sketch_differences,
    /// Times that this end asked for more cells.
    sketch_asks,
    /// Bytes of openings, answers and cells sent to compare by sketches.
    sketch_bytes,
    /// Comparisons left to checksums because there were too many differences.
    sketch_too_many,
    /// Comparisons left to checksums because the other end had moved on too far.
    sketch_moved,
    /// Comparisons left to checksums because the cells did not fit together.
    sketch_stuck,
    /// Comparisons left to checksums because two writes go by one name.
    sketch_collision,
    /// Comparisons left to checksums because this end has no sketches of that time.
    sketch_unserved,
    /// Comparisons by sketches given up because the other end fell silent.
    sketch_silent,
    /// Checks of this replica against that of another member, by the second account, that were
    /// answered.
    audit_checks,
    /// Of those, the ones that found a difference, which is usually on its way out.
    audit_different,
    /// Parts of the map in which another member stayed different although repair goes on.
    divergences,
    /// Of those, the ones that have become equal since.
    divergences_healed,
    /// Parts of this replica that did not hold what was written to them.
    audit_content_faults,
    /// Times that this replica's digest was not that of its entries and was made anew.
    audit_digest_faults,
    /// Entries that claimed to be the same write as another one and were not: one of them was kept.
    stamp_conflicts,
    /// Entries sent by anti-entropy.
    repair_entries_sent,
    /// Pieces of bulk transfers received.
    bulk_pieces,
    /// Bulk transfers that stopped because the peer fell silent.
    bulk_stalled,
    /// Bulk transfers that went on with a member where they had stopped with another.
    bulk_resumed,
    /// Entries refused because they are from below the horizon and not held.
    refused_fenced,
    /// Passes of ring repair that this node began.
    ring_begun,
    /// Hops of passes that ended at this node.
    ring_hops,
    /// Passes whose last hop ended at this node.
    ring_completed,
    /// Passes that this node gave up because the next member was gone, or had lost track of it.
    ring_given_up,
    /// Entries sent by ring repair.
    ring_entries_sent,
    /// Tombstones and expired entries let go: below the horizon, or as too old.
    tombstones_collected,
    /// Old tombstones that this node has begun to keep for the others.
    tombstones_dormant,
    /// Of those, the ones that met something older and were spread again.
    tombstones_activated,
    /// Old tombstones taken in again because this node held something older.
    tombstones_retaken,
    /// Tombstones and expired entries refused because they are too old and undo nothing here.
    refused_old,
    /// Times that this node was brought back to what a pass had covered.
    fence_returns,
    /// Entries dropped then, because no covered member holds them.
    fence_dropped,
    /// Of those, writes of this node's own that nobody had seen, written anew.
    fence_reissued,
    /// Of those, what is kept aside since nothing proves what is right.
    strays_kept,
    /// Times that there was no room for that, so that this node stays behind.
    strays_refused,
    /// Passes that were given up since too few of those that must agree were there.
    ring_refused,
    /// Entries not sent while this node does not know yet which pass is the latest.
    repair_withheld,
    /// Members forgotten because they were dead for too long.
    members_reaped,
    /// Messages sent that ask a member whether it holds writes.
    coverage_asked,
    /// Questions of members, whether this node holds writes, that it answered.
    coverage_answered,
    /// Probes sent.
    probes_sent,
    /// Probes that were not answered in time.
    probes_failed,
    /// Members that this node began to suspect.
    suspicions,
    /// Members whose silence others had found first and this node confirmed.
    confirmations,
    /// Members that this node declared dead.
    deaths,
    /// Suspicions of this node that it refuted.
    refutations,
    /// Requests to probe a member for another that were dropped because too many were under way.
    probes_shed,
    /// Times that this node stood still and gave others the time back.
    stalls,
    /// Records of another node that runs with this node's id.
    twins,
    /// Packets of membership that waited for their budget.
    budget_membership_delayed,
    /// Packets of membership dropped because too much waited for the budget.
    budget_membership_shed,
    /// Packets of updates that waited for their budget.
    budget_updates_delayed,
    /// Packets of updates dropped because too much waited for the budget; repair makes up for them.
    budget_updates_shed,
    /// Packets of repair that waited for their budget.
    budget_repair_delayed,
    /// Packets of repair dropped because too much waited for the budget.
    budget_repair_shed,
    /// Pings sent to find out what a path carries.
    path_probes,
    /// Times that a path was found to carry smaller datagrams than the settings allow.
    paths_narrowed,
    /// Times that datagrams to a member were found not to arrive while streams did.
    paths_without_datagrams,
    /// Times that streams to a member were found not to open while datagrams arrived.
    paths_without_streams,
    /// Fragments sent of frames that no stream could be had for, repeats included.
    fragments_sent,
    /// Such frames that arrived whole.
    frames_in_pieces,
    /// Such frames dropped: no room, or nobody who has seen them.
    frames_in_pieces_dropped,
    /// Streams that could not be opened or broke.
    streams_lost,
    /// Entries kept aside that were put back.
    strays_restored,
    /// Entries kept aside that were dropped.
    strays_dropped,
}

//! How two replicas find out what differs, and exchange just that.

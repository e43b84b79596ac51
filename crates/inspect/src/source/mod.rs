//! Where bytes come from: directory walk, memory maps, archive members.

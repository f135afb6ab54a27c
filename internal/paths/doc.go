// Package paths finds the true paths of the names in events.
//
// # Promise
//
// No path is invented. The kernel prints the caller's working directory as the
// parent of a name that was given relative to a directory descriptor. Such a
// name is resolved only when facts about inodes, or a look at the running system,
// prove where the directory was; otherwise the event says that its path is the
// caller's claim, or that it is unresolved, and carries the directory's inode.
//
// # How a path comes about
//
// An event goes through four phases, each in files of its own:
//
//		records ─► classify ─► gather ─► decide ─► apply ─► ready
//		                          ▲         │
//		                          │         ├─ proven: path_from absolute, cwd, trail or proc
//		                          │         ├─ never:  claimed, or unresolved
//		                          │         └─ not yet: held, at the directory that blocks
//		                          │                      │
//		                          └──────────────────────┘
//		                            a fact, a look whose records are read, the end of the wait
//
//	  - classify (classify.go, rename.go, slash.go, stack.go, cwd.go, procname.go) picks
//	    of the PATH records which is the file, which its directory, and where the name
//	    starts. It knows what kernels print, and nothing of what happened before.
//	  - gather (gather.go, caller.go, given.go, visit.go) looks at the running system where
//	    the caller, its words and the tree tell to look, and puts what it sees into the
//	    tree. It decides nothing: a look that is no use stays without one.
//	  - decide (policy.go, with its answers in answer.go) holds every rule of proof and every
//	    constant of time. A rule is a function of what is known, and changes nothing. Two
//	    things are asked of the host only here, since they are needed where words are all
//	    there is: whether another directory is at a claimed path (contradicts), and whether
//	    the process sees the host's names at all (seesOtherwise).
//	  - apply (facts.go) puts what the event did to directories into the tree: made, moved,
//	    removed, or tore, where the records do not tell which directory moved.
//
// locate.go leads a name through them, wait.go and held.go let it wait. Two kinds of names
// need more: a rename by descriptors, whose two directories must be told apart (sides.go), and
// a file of which no record has the directory (orphan.go).
//
// # Facts, looks and claims
//
// A fact is an event of the kernel's: name N in directory P is inode I, until then or
// from then on. A look is our own, from the host's root, through no link. Both are kept
// in a dirtree.Tree and count for everybody. A claim is what a process says: the path
// that it passed, its working directory, its words, its descriptors. It tells where to
// look, and where nobody has found more it names the claimant's own events, which then
// say claimed (claims.go).
//
// # Three answers
//
// Whether a directory's place is proven has one of three answers: proven, by which rule;
// not yet, until what is known; never, why. They are values ([proof], [way]), so that
// what decides need not know who waits, and so that search --explain can print them.
//
// # The types
//
// Each has the fields that its methods need, and those below it:
//
//	Stream      what callers use: records in, events out, time, marks
//	resolver    names wait, are found and let go; facts go into the tree
//	looks       looks at the host, and who waits for them
//	memory      what processes did a moment ago with files and directories
//	knowledge   the tree, claims, losses; the rules of proof
//
// beside the resolver: layers (stacked file systems), pairing (sides of renames), orphanage
// (files without a directory). An event's own state is its [work], a name's its [place].
// Which queue an event is in is the Assembler's to say: see event.State.
//
// # Situations
//
// Each has a scenario in testdata/stories, which shows records, looks and what comes of
// them. D1 and so on are inodes of directories, F1 that of a file.
//
// A tree is removed, and nobody looked before. The file's event knows D2 only by its
// inode. It is held at D2. When rmdir D2 is read, D2 is "b" in D1 until then; the event goes on to
// wait at D1, and so up to the directory that stays, whose place a look proves.
//
//	unlinkat(D2, "f")      D2? wait
//	rmdir "b" in D1 = D2   D2 was "b" in D1 (next fact); D1? wait
//	rmdir "a" in D0 = D1   D1 was "a" in D0 (next fact); D0 is /srv (look): /srv/a/b/f
//
// A tree was moved before anything in it is deleted. The rename told where it is from then
// on; a look, no earlier than the event, must find it there, since another client of a file
// server may have moved it since.
//
//	rename D0/"a" to D9/"x"   D1 is "x" in D9 from now on
//	unlinkat(D1, "f")         D1 is "x" in D9 (last fact, and the look agrees)
//
// An inode is given again. D2 is removed and another directory gets its number at once. The
// facts stand in the order of their events, so what came before the removal knows the first
// directory, what came after it the second. A look that sees the second counts only for
// events after it was made.
//
//	unlinkat(D2, "f")      of the first D2
//	rmdir "b" in D1 = D2   the first ends
//	mkdir "c" in D5 = D2   the second begins
//	look: D2 is /srv/c     made after the unlinkat: does not count for it
//
// A stranger lies. Process 66 fails to delete ln/d/f through a link of its own, and the kernel
// prints the words ln/d/ beside D2's inode. That is 66's claim, and anchors 66 only. Root's
// unlinkat(D2, "f") knows nothing of it, and waits for facts and looks.
//
// A look comes too early or too late. It sees D1 at /srv/a, but a rename of D1 is on its way
// in records that are not read yet. Nobody can tell on which side of the rename the look
// was. So a look counts once all records of before it are read (hasRead), and the tree keeps
// with each look how far records were read by then.
//
// Records are missing. The rename that would have told was dropped. No look counts across the
// time of the loss, and nothing known of before it counts behind it.
//
// Another root. A process in a container deletes /etc/x. Its words are of its own tree of
// names. They make no path of the host's: the inode of the PARENT is looked for there, and if
// it is nowhere in sight, the words are claimed, with a view that names the container.
//
// A mount is in the way. What is below a mount point by words is not below it by inodes. A look
// goes from the host's root, through the mounts that the table has, and a change of
// mounts between look and event ends what the look says of places across a mount.
//
// # Not here
//
// No clock, no files, no network: a [Host] answers what only the running system
// knows, and Tick brings the time.
package paths

"""What all rooms need and no room is about: files, locks, cores."""

"""What differs between machines: file systems, disks and network addresses."""

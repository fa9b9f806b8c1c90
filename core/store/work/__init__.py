"""Work in progress: the queue, leases, workers, kept responses and the outbox."""

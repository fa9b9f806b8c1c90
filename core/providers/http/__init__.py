"""HTTP for providers: the client, downloads, and the addresses that they may lead to."""

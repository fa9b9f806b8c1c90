"""HTTP for providers: clients, errors of calls, polling, downloads and permitted addresses."""

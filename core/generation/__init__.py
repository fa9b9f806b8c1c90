"""From a stored job to saved files: dispatcher, transport, executor."""

"""From a stored job to saved files: dispatcher, engine, executor."""

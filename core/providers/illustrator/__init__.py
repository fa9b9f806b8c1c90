"""The built-in illustrator: draws what a prompt speaks of with our own code, not an AI model.

`provider` is what the rest of Fivefold sees; `render` draws, in the processes of its pool.
"""

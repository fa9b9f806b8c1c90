"""Log in. `core/web/app/script.py` draws the form: on this page, and in place of any other."""

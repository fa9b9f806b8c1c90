"""The web process: its ASGI app, the Streamlit script, health and logging."""

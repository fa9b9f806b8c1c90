"""The service: what a user can do, without HTTP and without Streamlit."""

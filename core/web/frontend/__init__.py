"""ES modules and style sheets for the browser, and the Streamlit components that use them."""

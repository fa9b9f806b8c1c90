"""What runs in the browser, ES modules and style sheets, and the Streamlit components they draw."""

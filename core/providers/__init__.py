"""The generators behind one contract. Knows no database and no Streamlit."""

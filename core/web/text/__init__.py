"""Dates, money, tables and documents as text for a viewer."""

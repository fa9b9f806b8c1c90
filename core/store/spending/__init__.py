"""Spending: what items cost, and the budgets."""

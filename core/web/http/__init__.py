"""HTTP for every route: request checks, security headers, limits and errors."""

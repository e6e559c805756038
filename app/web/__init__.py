"""The page and the API: what browsers and scripts may call, and what is refused."""

"""How an analyst sees an Analysis: the page, the store behind it and the API for scripts. No torch here."""

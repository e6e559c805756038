"""How an analyst sees an Analysis: the page, the store behind it and the HTTP doors. No torch here."""

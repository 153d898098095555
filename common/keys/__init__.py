"""The keys of clients: whose they are, what each may use in a minute, and what it has used."""

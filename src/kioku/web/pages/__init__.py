"""The pages: each reads reports and says what its template shows."""

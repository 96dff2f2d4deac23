"""Commands about complaints."""

"""Acts that one person proposes and a second one confirms."""

"""What a region's database has lost: it is found, named, kept from doing harm, and accepted by people."""

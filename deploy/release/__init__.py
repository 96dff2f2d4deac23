"""The files of a release: wheel, locked packages, software bill of materials, licences, digests."""

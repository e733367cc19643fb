"""Lets nova-compute take images from the Quarry daemon of its host.

`transfer` is what Nova up to Ussuri loads, `seam` what later ones do. Both end in `fetch.fetch_image`: the daemon rebuilds
the image into a file, `place` brings that to Nova's path by reflink, hard link or copy, and its hash is checked there.
Whatever goes wrong is raised, and Nova downloads over HTTP as if this package did not exist.
"""

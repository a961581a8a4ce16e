"""What the toolkit costs and saves, as ratios measured side by side in one run, on a server of its own. It asserts nothing.

`common` is the server, the processes and the output; `data` is what the tables hold; every other module measures one thing
and has `SECTIONS`, the names for `--only`, and `measure(options) -> Report`.
"""

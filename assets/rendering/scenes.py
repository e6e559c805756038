"""The bundled scenes by name."""

from assets.rendering.crash import crash
from assets.rendering.explosion import explosion
from assets.rendering.quiet_street import quiet_street
from assets.rendering.scuffle import scuffle

SCENES = {make.__name__: make for make in (quiet_street, explosion, scuffle, crash)}

"""Element codecs: what one element of a JSON list is in the columns of a child row, and back. No Django, no cursors."""

from cutover.codecs.codec import Codec, DecodedSQL, Undecodable
from cutover.codecs.kinds import Kind
from cutover.codecs.object import Object
from cutover.codecs.scalar import Scalar
from cutover.codecs.text import Text
from cutover.codecs.time import Time
from cutover.codecs.tuple import Tuple

__all__ = ["Codec", "DecodedSQL", "Kind", "Object", "Scalar", "Text", "Time", "Tuple", "Undecodable"]

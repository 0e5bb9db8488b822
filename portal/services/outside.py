"""The ways in which the outside can fail a use case, under names that the web may know."""

from portal.ports import Declined as Declined
from portal.ports import Forged as Forged
from portal.ports import Unavailable as Unavailable

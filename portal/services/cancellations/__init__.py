"""Units taken out of an order before they are sent: asked for, confirmed by the customer, and what becomes of them.

``reading`` shows, ``proposing`` and ``choosing`` ask, ``confirming`` makes it final, ``ending`` undoes what came
too late and takes the warehouse's answer, ``reminding`` looks after what waits; ``holding`` moves the units.
"""

from portal.services.cancellations.choosing import Around as Around
from portal.services.cancellations.choosing import around as around
from portal.services.cancellations.choosing import choose as choose
from portal.services.cancellations.choosing import proposals as proposals
from portal.services.cancellations.confirming import confirm as confirm
from portal.services.cancellations.ending import decline as decline
from portal.services.cancellations.ending import order_canceled as order_canceled
from portal.services.cancellations.ending import overtake as overtake
from portal.services.cancellations.ending import refuse as refuse
from portal.services.cancellations.ending import released as released
from portal.services.cancellations.ending import withdraw as withdraw
from portal.services.cancellations.proposing import propose as propose
from portal.services.cancellations.reading import CancellationPage as CancellationPage
from portal.services.cancellations.reading import Estimate as Estimate
from portal.services.cancellations.reading import PastRow as PastRow
from portal.services.cancellations.reading import Sheet as Sheet
from portal.services.cancellations.reading import estimate as estimate
from portal.services.cancellations.reading import page as page
from portal.services.cancellations.reading import sheet as sheet
from portal.services.cancellations.reminding import expire as expire
from portal.services.cancellations.reminding import remind as remind
from portal.services.cancellations.reminding import remind_due as remind_due
from portal.services.cancellations.reminding import score as score
from portal.services.cancellations.together import Confirmed as Confirmed
from portal.services.cancellations.together import Together as Together
from portal.services.cancellations.together import confirm_both as confirm_both
from portal.services.cancellations.together import together as together
from portal.services.cancellations.wishes import Choice as Choice
from portal.services.cancellations.wishes import Wish as Wish

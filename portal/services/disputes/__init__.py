"""What a customer contests of a return: opened, answered, offered, settled through the refund engine, ended.

``reading`` shows (as ``facts``), ``opening`` begins (and pays what nobody contests), ``offering`` and ``answering`` go
to and fro, ``deciding`` ends, ``settling`` pays, ``reminding`` looks after what waits, ``listing`` is the list of all.
"""

from portal.services.disputes.answering import reply as reply
from portal.services.disputes.deciding import escalate as escalate
from portal.services.disputes.deciding import pay_again as pay_again
from portal.services.disputes.deciding import reject as reject
from portal.services.disputes.deciding import settle as settle
from portal.services.disputes.deciding import take_back as take_back
from portal.services.disputes.facts import Choice as Choice
from portal.services.disputes.facts import DisputeFacts as DisputeFacts
from portal.services.disputes.facts import Sheet as Sheet
from portal.services.disputes.facts import Workspace as Workspace
from portal.services.disputes.listing import Listing as Listing
from portal.services.disputes.listing import counts as counts
from portal.services.disputes.listing import listing as listing
from portal.services.disputes.offering import accept as accept
from portal.services.disputes.offering import counter as counter
from portal.services.disputes.offering import decline as decline
from portal.services.disputes.offering import offer as offer
from portal.services.disputes.offering import withdraw_offer as withdraw_offer
from portal.services.disputes.opening import Claim as Claim
from portal.services.disputes.opening import LineClaim as LineClaim
from portal.services.disputes.opening import open_dispute as open_dispute
from portal.services.disputes.opening import pay_undisputed as pay_undisputed
from portal.services.disputes.reading import of_return as of_return
from portal.services.disputes.reading import one as one
from portal.services.disputes.reading import sheet as sheet
from portal.services.disputes.reading import workspace as workspace
from portal.services.disputes.reminding import look_after as look_after

"""Who asks: a key → its principal; and what is refused, before anything is looked up."""

import hmac

from modelport.control.secret import digest
from modelport.domain.access import ADMIN, Principal, Scope
from modelport.errors import PermissionDenied, Unauthenticated
from modelport.store.store import Store


class Access:
    """Knows the admin's key by its hash, and users by the store's."""

    def __init__(self, store: Store, admin_key: str) -> None:
        self._store = store
        self._admin = digest(admin_key)

    def principal(self, key: str | None) -> Principal:
        """Whoever has this key.

        Raises:
            Unauthenticated: nobody has.
        """
        if key:
            found = digest(key)
            if hmac.compare_digest(found, self._admin):
                return ADMIN
            with self._store.reading() as transaction:
                user = transaction.user_by_digest(found)
            if user is not None:
                return Principal(user.name, tuple(user.grants))
        raise Unauthenticated(
            "this server wants a key: send the header 'Authorization: Bearer KEY'",
            hint="The first start wrote the admin's key to admin.key in MODELPORT_HOME.",
        )


def require(principal: Principal, scope: Scope, endpoint: str | None = None) -> None:
    """Go on only if a grant covers it.

    Raises:
        PermissionDenied: none does. It says the same of what exists and what does not.
    """
    if not principal.may(scope, endpoint):
        where = "" if endpoint is None else " on this endpoint"
        raise PermissionDenied(f"{principal.name} has no grant to {scope}{where}", hint="An admin can give one.")

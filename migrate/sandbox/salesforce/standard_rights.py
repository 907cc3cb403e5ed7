"""Which objects hold what users may see? Permission sets, their assignments, and what they grant.

Lines as in `standard_table.py`; properties as the vendor's Object Reference has them ("PermissionSet",
"PermissionSetAssignment", "FieldPermissions", "ObjectPermissions", read 2026-11-26), without system
permissions.
"""

TABLE = """
@PermissionSet 0PS Permission Set|Permission Sets noundelete noaudit
Name string(80) req name
Label string(80) req
Description string(255)
IsCustom boolean ro
IsOwnedByProfile boolean ro
ProfileId reference(Profile) ro
@PermissionSetAssignment 0Pa Permission Set Assignment|Permission Set Assignments noupdate noaudit born
PermissionSetId reference(PermissionSet) req noup cascade in:Assignments
AssigneeId reference(User) req noup in:PermissionSetAssignments
IsActive boolean ro
SystemModstamp datetime req ro def
@FieldPermissions 01k Field Permissions|Field Permissions noundelete noaudit born
ParentId reference(PermissionSet) req noup cascade in:FieldPerms
SobjectType string(40) req noup
Field string(255) req noup
PermissionsRead boolean
PermissionsEdit boolean
SystemModstamp datetime req ro def
@ObjectPermissions 110 Object Permissions|Object Permissions noundelete noaudit
ParentId reference(PermissionSet) req noup cascade in:ObjectPerms
SobjectType string(40) req noup
PermissionsCreate boolean
PermissionsRead boolean
PermissionsEdit boolean
PermissionsDelete boolean
PermissionsViewAllRecords boolean
PermissionsModifyAllRecords boolean
"""

OBJECTS = ("PermissionSet", "PermissionSetAssignment", "FieldPermissions", "ObjectPermissions")

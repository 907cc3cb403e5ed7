"""Which objects keep what people consented to? An org has them once its setting `data_privacy` is on.

In the words of `standard_table.py`. A person is an `Individual`, named by `IndividualId` of contacts, leads
and users; a consent belongs to a person and a contact point or a kind of them.

Fields: Object Reference, Individual, ContactPointConsent, ContactPointTypeConsent, ContactPointEmail,
DataUsePurpose and PartyConsent, read 2026-11-26, shortened. The Reference calls some nillable fields
required; what the platform refuses isn't said there, so nothing more than `nillable` is refused. The key
prefixes of ContactPointEmail and PartyConsent are made up.
"""

OBJECTS = (
    "Individual",
    "DataUsePurpose",
    "ContactPointEmail",
    "ContactPointConsent",
    "ContactPointTypeConsent",
    "PartyConsent",
)
REFERRING = ("Contact", "Lead", "User")  # by `IndividualId`
_OWNER = "OwnerId reference(Group,User) req def as:Owner"
_STATUS = "NotSeen|Seen|OptIn|OptOut"
_POINTS = "Email|MailingAddress|Phone|Social|Web"
_CONSENT = f"""
Name string(255) req name
PrivacyConsentStatus picklist(255) req strict def = *{_STATUS}
DataUsePurposeId reference(DataUsePurpose)
CaptureDate datetime
CaptureContactPointType picklist(255) strict = {_POINTS}
CaptureSource string(255)
EffectiveFrom datetime
EffectiveTo datetime
DoubleConsentCaptureDate datetime
{_OWNER}
"""

TABLE = f"""
@Individual 0PK Individual|Individuals
LastName string(80) req of:Name
FirstName string(40) of:Name
Name string(121) ro req name
HasOptedOutTracking boolean
HasOptedOutProfiling boolean
HasOptedOutProcessing boolean
HasOptedOutSolicit boolean
HasOptedOutGeoTracking boolean
ShouldForget boolean
SendIndividualData boolean
CanStorePiiElsewhere boolean
{_OWNER}
@DataUsePurpose 0ZW Data Use Purpose|Data Use Purposes
Name string(255) req name
Description textarea(1000)
CanDataSubjectOptOut boolean
{_OWNER}
@ContactPointEmail 9Vl Contact Point Email|Contact Point Emails
Name string(255) req name
ParentId reference(Account,Individual) req as:Parent
EmailAddress email(255) req
IsPrimary boolean
ActiveFromDate date
ActiveToDate date
{_OWNER}
@ContactPointConsent 0ZY Contact Point Consent|Contact Point Consents
ContactPointId reference(ContactPointEmail) req as:ContactPoint
{_CONSENT}
@ContactPointTypeConsent 0ZX Contact Point Type Consent|Contact Point Type Consents
PartyId reference(Individual) req cascade as:Party in:ContactPointTypeConsents
ContactPointType picklist(255) req strict def = *{_POINTS}
{_CONSENT}
@PartyConsent 1Jb Party Consent|Party Consents
PartyId reference(Account,Individual) req as:Party
PartyRole string(255)
{_CONSENT}
"""

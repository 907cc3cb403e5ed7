"""Which standard objects does a fresh org of this sandbox have, and with which fields?

One line a field, `Name type(argument) flags = picklist`; one with `@` begins an object:
`@Name prefix Label|Plural flags` (its flags: `standard.py`). Flags: `req` not nillable,
`ro` neither createable nor updateable, `noup` createable only, `def` defaulted on
create, `name` the name field, `strict` restricted picklist, `open` not under
field-level security, `nofilter` not filterable, `norel` no relationship's name,
`cascade`/`restrict` what a parent's deletion does, `in:X` the parent's child list,
`as:X` the relationship's name, `of:X` the compound field it belongs to; a value with
`*` is the default. Fields and properties follow the vendor's Object Reference
("Standard Objects", read 2026-11-23), shortened to what a migration meets. Activities,
histories and files have tables of their own.
"""

_ADDRESS = """
{0}Street textarea(255) of:{0}Address
{0}City string(40) of:{0}Address
{0}State string(80) of:{0}Address
{0}PostalCode string(20) of:{0}Address
{0}Country string(80) of:{0}Address
{0}Latitude double(18,15) of:{0}Address
{0}Longitude double(18,15) of:{0}Address
{0}GeocodeAccuracy picklist(40) strict of:{0}Address = {1}
{0}Address address
"""
_INDUSTRY = (
    "Agriculture|Apparel|Banking|Biotechnology|Chemicals|Communications|Construction|Consulting|Education|"
    "Electronics|Energy|Engineering|Entertainment|Environmental|Finance|Food & Beverage|Government|"
    "Healthcare|Hospitality|Insurance|Machinery|Manufacturing|Media|Not For Profit|Recreation|Retail|"
    "Shipping|Technology|Telecommunications|Transportation|Utilities|Other"
)
_ACCOUNT_TYPE = (
    "Prospect|Customer - Direct|Customer - Channel|Channel Partner / Reseller|Installation Partner|"
    "Technology Partner|Other"
)
_DEAL_TYPE = (
    "Existing Customer - Upgrade|Existing Customer - Replacement|Existing Customer - Downgrade|New Customer"
)
_ROLE = (
    "Business User|Decision Maker|Economic Buyer|Economic Decision Maker|Evaluator|Executive Sponsor|"
    "Influencer|Technical Buyer|Other"
)
_LEAD_STATUS = "*Open - Not Contacted|Working - Contacted|Closed - Converted|Closed - Not Converted"
_CAMPAIGN_TYPE = (
    "Conference|Webinar|Trade Show|Public Relations|Partners|Referral Program|Advertisement|Email|Other"
)
_GEOCODE = "Address|NearAddress|Block|Street|Zip|City|State|Unknown"
_SOURCE = "Web|Phone Inquiry|Partner Referral|Purchased List|Other"
_SALUTATION = "Mr.|Ms.|Mrs.|Dr.|Prof."
_SEEN = "LastActivityDate date ro\nLastViewedDate datetime ro\nLastReferencedDate datetime ro"
_OWNER = "OwnerId reference(User) req def as:Owner"
_QUEUE_OWNER = "OwnerId reference(Group,User) req def as:Owner"

STAGES = (  # name, is active, is closed, is won, probability, forecast category
    ("Prospecting", False, False, 10, "Pipeline"),
    ("Qualification", False, False, 10, "Pipeline"),
    ("Needs Analysis", False, False, 20, "Pipeline"),
    ("Value Proposition", False, False, 50, "Pipeline"),
    ("Id. Decision Makers", False, False, 60, "Pipeline"),
    ("Perception Analysis", False, False, 70, "Pipeline"),
    ("Proposal/Price Quote", False, False, 75, "Pipeline"),
    ("Negotiation/Review", False, False, 90, "Pipeline"),
    ("Closed Won", True, True, 100, "Closed"),
    ("Closed Lost", True, False, 0, "Omitted"),
)

TABLE = f"""
@User 005 User|Users
Username string(80) req unique
LastName string(80) req of:Name
FirstName string(40) of:Name
Name string(121) ro req name
CompanyName string(80)
Department string(80)
Title string(80)
Email email(128) req
Phone phone(40)
MobilePhone phone(40)
Alias string(8) req def
CommunityNickname string(40) req def
IsActive boolean
TimeZoneSidKey string(40) req def
LocaleSidKey string(40) req def
LanguageLocaleKey string(40) req def
EmailEncodingKey string(40) req def
UserRoleId reference(UserRole)
ProfileId reference(Profile) req def
UserType string(40) ro def
ManagerId reference(User)
EmployeeNumber string(20)
FederationIdentifier string(512)
IndividualId reference(Individual) as:Individual
LastLoginDate datetime ro
@Profile 00e Profile|Profiles
Name string(255) req name
UserType string(40) ro
Description string(255)
@UserRole 00E Role|Roles
Name string(80) req name
DeveloperName string(80)
ParentRoleId reference(UserRole)
@Group 00G Group|Groups
Name string(40) req name
DeveloperName string(80)
Type string(40) req noup def
Email email(255)
@Organization 00D Organization|Organizations
Name string(80) req name
Street textarea(255)
City string(40)
State string(80)
PostalCode string(20)
Country string(80)
DefaultLocaleSidKey string(40) ro
LanguageLocaleKey string(40) ro
TimeZoneSidKey string(40) ro
OrganizationType string(40) ro
InstanceName string(5) ro
IsSandbox boolean ro
TrialExpirationDate datetime ro
NamespacePrefix string(15) ro
FiscalYearStartMonth int ro
@RecordType 012 Record Type|Record Types
Name string(80) req name
DeveloperName string(80) req
SobjectType string(40) req noup
NamespacePrefix string(15) ro
Description string(255)
BusinessProcessId reference ro
IsActive boolean
@Account 001 Account|Accounts mergeable
MasterRecordId reference(Account) ro as:MasterRecord
Name string(255) req name
Type picklist(40) = {_ACCOUNT_TYPE}
RecordTypeId reference(RecordType)
ParentId reference(Account) in:ChildAccounts
{_ADDRESS.format("Billing", _GEOCODE)}
{_ADDRESS.format("Shipping", _GEOCODE)}
Phone phone(40)
Fax phone(40)
AccountNumber string(40)
Website url(255)
PhotoUrl url(255) ro
Sic string(20)
Industry picklist(255) = {_INDUSTRY}
AnnualRevenue currency(18,0)
NumberOfEmployees int
Ownership picklist(255) = Public|Private|Subsidiary|Other
TickerSymbol string(20)
Description textarea(32000)
Rating picklist(255) = Hot|Warm|Cold
Site string(80)
AccountSource picklist(255) = {_SOURCE}
SicDesc string(80)
{_OWNER}
{_SEEN}
@Contact 003 Contact|Contacts mergeable
MasterRecordId reference(Contact) ro as:MasterRecord
AccountId reference(Account) cascade in:Contacts
LastName string(80) req of:Name
FirstName string(40) of:Name
Salutation picklist(40) of:Name = {_SALUTATION}
Name string(121) ro req name
{_ADDRESS.format("Other", _GEOCODE)}
{_ADDRESS.format("Mailing", _GEOCODE)}
RecordTypeId reference(RecordType)
Phone phone(40)
Fax phone(40)
MobilePhone phone(40)
HomePhone phone(40)
OtherPhone phone(40)
AssistantPhone phone(40)
ReportsToId reference(Contact) as:ReportsTo
Email email(80)
Title string(128)
Department string(80)
AssistantName string(40)
LeadSource picklist(255) = {_SOURCE}
Birthdate date
Description textarea(32000)
HasOptedOutOfEmail boolean
HasOptedOutOfFax boolean
DoNotCall boolean
EmailBouncedReason string(255)
EmailBouncedDate datetime
IsEmailBounced boolean ro
IndividualId reference(Individual) as:Individual
PhotoUrl url(255) ro
{_OWNER}
{_SEEN}
@Lead 00Q Lead|Leads mergeable
MasterRecordId reference(Lead) ro as:MasterRecord
LastName string(80) req of:Name
FirstName string(40) of:Name
Salutation picklist(40) of:Name = {_SALUTATION}
Name string(121) ro req name
Title string(128)
Company string(255) req
Street textarea(255)
City string(40)
State string(80)
PostalCode string(20)
Country string(80)
Phone phone(40)
MobilePhone phone(40)
Email email(80)
Website url(255)
Description textarea(32000)
LeadSource picklist(255) = {_SOURCE}
Status picklist(255) req def = {_LEAD_STATUS}
Industry picklist(255) = {_INDUSTRY}
Rating picklist(255) = Hot|Warm|Cold
AnnualRevenue currency(18,0)
NumberOfEmployees int
HasOptedOutOfEmail boolean
HasOptedOutOfFax boolean
DoNotCall boolean
EmailBouncedReason string(255)
EmailBouncedDate datetime
IndividualId reference(Individual) as:Individual
{_QUEUE_OWNER}
IsConverted boolean noup
ConvertedDate date ro
ConvertedAccountId reference(Account) ro as:ConvertedAccount
ConvertedContactId reference(Contact) ro as:ConvertedContact
ConvertedOpportunityId reference(Opportunity) ro as:ConvertedOpportunity
{_SEEN}
@Opportunity 006 Opportunity|Opportunities
AccountId reference(Account) cascade in:Opportunities
RecordTypeId reference(RecordType)
IsPrivate boolean
Name string(120) req name
Description textarea(32000)
StageName picklist(255) req = {"|".join(stage[0] for stage in STAGES)}
Amount currency(18,2)
Probability percent(3,0) def
ExpectedRevenue currency(18,2) ro
TotalOpportunityQuantity double(18,2)
CloseDate date req
Type picklist(255) = {_DEAL_TYPE}
NextStep string(255)
LeadSource picklist(255) = {_SOURCE}
IsClosed boolean ro
IsWon boolean ro
ForecastCategory picklist(40) req ro strict = Omitted|Pipeline|BestCase|Forecast|Closed
ForecastCategoryName picklist(255) strict def = Omitted|Pipeline|Best Case|Commit|Closed
CampaignId reference(Campaign) in:Opportunities
HasOpportunityLineItem boolean ro
{_OWNER}
LastStageChangeDate datetime ro
FiscalQuarter int ro of:Fiscal
FiscalYear int ro of:Fiscal
Fiscal string(6) ro
ContactId reference(Contact) noup norel
{_SEEN}
@OpportunityContactRole 00K Opportunity Contact Role|Opportunity Contact Role noundelete
OpportunityId reference(Opportunity) req noup cascade in:OpportunityContactRoles
ContactId reference(Contact) req cascade in:OpportunityContactRoles
Role picklist(40) = {_ROLE}
IsPrimary boolean
@OpportunityStage 01J Opportunity Stage|Opportunity Stage readonly nodelete
MasterLabel string(255) ro name
ApiName string(255) ro
IsActive boolean ro
SortOrder int ro
IsClosed boolean ro
IsWon boolean ro
ForecastCategory picklist(40) ro strict = Omitted|Pipeline|BestCase|Forecast|Closed
ForecastCategoryName picklist(255) ro strict = Omitted|Pipeline|Best Case|Commit|Closed
DefaultProbability percent(3,0) ro
Description string(255) ro
@Campaign 701 Campaign|Campaigns
Name string(80) req name
ParentId reference(Campaign) in:ChildCampaigns
Type picklist(40) = {_CAMPAIGN_TYPE}
Status picklist(40) def = *Planned|In Progress|Completed|Aborted
StartDate date
EndDate date
BudgetedCost currency(18,0)
ActualCost currency(18,0)
IsActive boolean
Description textarea(32000)
{_OWNER}
{_SEEN}
@CampaignMember 00v Campaign Member|Campaign Members
CampaignId reference(Campaign) req noup cascade in:CampaignMembers
LeadId reference(Lead) noup cascade in:CampaignMembers
ContactId reference(Contact) noup cascade in:CampaignMembers
Status picklist(40) def = *Sent|Responded
HasResponded boolean ro
@Case 500 Case|Cases mergeable
MasterRecordId reference(Case) ro as:MasterRecord
CaseNumber string(30) ro req name def auto
ContactId reference(Contact) restrict in:Cases
AccountId reference(Account) restrict in:Cases
ParentId reference(Case) in:Cases
RecordTypeId reference(RecordType)
SuppliedName string(80)
SuppliedEmail email(80)
Type picklist(40) = Mechanical|Electrical|Electronic|Structural|Other
Status picklist(40) def = *New|Working|Escalated|Closed
Reason picklist(40) = Installation|Performance|Breakdown|Feedback|Other
Origin picklist(40) = Phone|Email|Web
Subject string(255)
Priority picklist(40) def = High|*Medium|Low
Description textarea(32000)
IsClosed boolean ro
ClosedDate datetime ro
IsEscalated boolean
{_QUEUE_OWNER}
LastViewedDate datetime ro
LastReferencedDate datetime ro
"""

"""Which files, notes and e-mails can a fresh org hold?

Lines as in `standard_table.py`, properties as the vendor's Object Reference has them
("Attachment", "ContentDocument", "ContentVersion", "ContentDocumentLink",
"ContentNote", "Note", "EmailMessage", "EmailMessageRelation"; Field Reference; read
2026-11-26), without libraries, ratings, assets, networks and templates. `*__c` stands
for every custom object.
"""

_OWNER = "OwnerId reference(User) req def as:Owner"
_SHARED_WITH = "Account,Campaign,Case,Contact,EmailMessage,Event,Lead,Opportunity,Task,*__c"
_PRIVACY = "SharingPrivacy picklist(40) req strict def = *N|P"
_SIZES = """
ContentSize int ro
ContentSizeLong long ro
FileType string(20) ro
FileExtension string(40) ro
"""

TABLE = f"""
@Attachment 00P Attachment|Attachments
ParentId reference({_SHARED_WITH}) req cascade in:Attachments
Name string(255) req name
IsPrivate boolean
ContentType string(120)
BodyLength int ro
Body base64 req
{_OWNER}
Description textarea(500)
@Note 002 Note|Notes
ParentId reference(Account,Contact,Lead,Opportunity,Case,*__c) req noup cascade in:Notes
Title string(80) req name
Body textarea(32000)
IsPrivate boolean
{_OWNER}
@ContentDocument 069 Content Document|Content Documents nocreate noaudit
IsArchived boolean ro
ArchivedById reference(User) ro norel
ArchivedDate date ro
{_OWNER}
Title string(255) req name
PublishStatus picklist(40) ro strict def = *P|R|U
LatestPublishedVersionId reference(ContentVersion) ro as:LatestPublishedVersion
Description textarea(1000)
{_SIZES}
SharingOption picklist(40) strict def = *A|R
{_PRIVACY}
ContentModifiedDate datetime ro
LastViewedDate datetime ro
LastReferencedDate datetime ro
@ContentVersion 068 Content Version|Content Versions nodelete
ContentDocumentId reference(ContentDocument) req noup def cascade in:ContentVersions
IsLatest boolean ro
ContentUrl url(1333)
VersionNumber string(20) ro
Title string(255) req def name
Description textarea(1000)
ReasonForChange string(1000)
SharingOption picklist(40) strict def = *A|R
{_PRIVACY}
PathOnClient string(500) noup
IsMajorVersion boolean noup
ContentModifiedDate datetime noup
ContentModifiedById reference(User) ro as:ContentModifiedBy
{_OWNER}
TagCsv textarea(2000)
PublishStatus picklist(40) ro strict def = *P|R|U
VersionData base64 noup
{_SIZES}
FirstPublishLocationId reference({_SHARED_WITH},User) noup as:FirstPublishLocation
Origin picklist(40) req noup strict def = C|*H
ContentLocation picklist(40) req noup strict def = *S|E|L
TextPreview string(255) ro
ExternalDocumentInfo1 string(1000)
ExternalDocumentInfo2 string(1000)
Checksum string(50) ro
IsAssetEnabled boolean
@ContentDocumentLink 06A Content Document Link|Content Document Link noundelete noaudit stamped
LinkedEntityId reference({_SHARED_WITH},User,Group,Organization) req noup cascade in:ContentDocumentLinks
ContentDocumentId reference(ContentDocument) req noup cascade in:ContentDocumentLinks
ShareType picklist(40) strict def = V|C|I
Visibility picklist(40) strict def = AllUsers|InternalUsers|SharedUsers
@ContentNote 069 Note|Notes alias
Title string(255) req name
Content base64
{_OWNER}
TextPreview string(255) ro
{_SIZES}
IsReadOnly boolean ro
LatestPublishedVersionId reference(ContentVersion) ro as:LatestPublishedVersion
{_PRIVACY}
ContentModifiedDate datetime ro
LastViewedDate datetime ro
@EmailMessage 02s Email Message|Email Messages
ParentId reference(Case) cascade in:EmailMessages
ActivityId reference(Task) noup as:Activity
TextBody textarea(131072)
HtmlBody textarea(131072)
Headers textarea(32000)
Subject string(3000) name
FromName string(1000)
FromAddress email(1000)
ToAddress string(4000)
CcAddress string(4000)
BccAddress string(4000)
Incoming boolean
HasAttachment boolean ro
Status picklist(40) req strict def = *0|1|2|3|4|5
MessageDate datetime
ReplyToEmailMessageId reference(EmailMessage) as:ReplyToEmailMessage
IsPrivateDraft boolean noup
IsExternallyVisible boolean
MessageIdentifier string(765)
ThreadIdentifier string(765)
ClientThreadIdentifier string(765)
IsClientManaged boolean noup
RelatedToId reference(Account,Campaign,Case,Opportunity,*__c) as:RelatedTo in:Emails
IsTracked boolean noup
IsOpened boolean ro
FirstOpenedDate datetime noup
LastOpenedDate datetime noup
IsBounced boolean ro
@EmailMessageRelation 0sR Email Message Relation|Email Message Relations noundelete noaudit born
EmailMessageId reference(EmailMessage) req noup cascade in:EmailMessageRelations
RelationId reference(Contact,Lead,User) cascade in:EmailMessageRelations
RelationType picklist(40) req noup strict = ToAddress|CcAddress|BccAddress|FromAddress|OtherAddress
RelationAddress string(1000) noup
RelationObjectType string(40) ro
SystemModstamp datetime req ro def
"""

"""Which activities, and which histories of changes, does a fresh org have?

Lines as in `standard_table.py`. Relations of tasks are there only in an org that
shares activities (see `activities.absent`). Histories are the platform's own: anybody
may read them, nobody may write them (Salesforce, Object Reference: Task, Event,
TaskRelation, EventRelation, OpportunityHistory, "StandardObjectNameHistory"; Field
Reference; read 2026-11-26). `*__c` stands for every custom object.
"""

_OWNER = "OwnerId reference(User) req def as:Owner"
_QUEUE_OWNER = "OwnerId reference(Group,User) req def as:Owner"
_WHAT = "WhatId reference(Account,Campaign,Case,Opportunity,*__c) cascade in:{0}"
_RECURRENCE = """
RecurrenceActivityId reference({0}) ro norel in:Recurring{0}s
IsRecurrence boolean noup open
Recurrence{1} open
RecurrenceEndDateOnly date open
RecurrenceTimeZoneSidKey picklist(40) open = UTC|Europe/London|Europe/Berlin|America/New_York|\
America/Los_Angeles
RecurrenceType picklist(40) strict open = RecursDaily|RecursEveryWeekday|RecursMonthly|RecursMonthlyNth|\
RecursWeekly|RecursYearly|RecursYearlyNth
RecurrenceInterval int(9) open
RecurrenceDayOfWeekMask int(9) open
RecurrenceDayOfMonth int(9) open
RecurrenceInstance picklist(40) strict open = First|Second|Third|Fourth|Last
RecurrenceMonthOfYear picklist(40) strict open = January|February|March|April|May|June|July|August|\
September|October|November|December
"""
_HISTORY = """
@{0} 017 {1} History|{1} History readonly noprefix born
{2} reference({3}) req ro cascade in:Histories
Field picklist(255) req ro strict
DataType picklist(40) ro strict
OldValue anyType(255) ro nofilter
NewValue anyType(255) ro nofilter
"""

HISTORIES = {  # object -> its history and the field that names the record
    "Account": ("AccountHistory", "AccountId"),
    "Case": ("CaseHistory", "CaseId"),
    "Contact": ("ContactHistory", "ContactId"),
    "Lead": ("LeadHistory", "LeadId"),
    "Opportunity": ("OpportunityFieldHistory", "OpportunityId"),
}

TABLE = f"""
@Task 00T Task|Tasks
WhoId reference(Contact,Lead) cascade in:Tasks
{_WHAT.format("Tasks")}
Subject combobox(255) name = Call|Send Letter|Send Quote|Other
ActivityDate date
Status picklist(255) req def = *Not Started|In Progress|Completed|Waiting on someone else|Deferred
Priority picklist(255) req def = High|*Normal|Low
IsHighPriority boolean ro
{_QUEUE_OWNER}
Description textarea(32000)
AccountId reference(Account) ro as:Account
IsClosed boolean ro
IsArchived boolean ro
TaskSubtype picklist(40) noup strict def = *Task|Email|Call|ListEmail|Cadence|LinkedIn
CallDurationInSeconds int
CallType picklist(40) strict = Internal|Inbound|Outbound
CallDisposition string(255)
CallObject string(255)
ReminderDateTime datetime open
IsReminderSet boolean open
CompletedDateTime datetime ro
{_RECURRENCE.format("Task", "StartDateOnly date")}
RecurrenceRegeneratedType picklist(40) strict = RecurrenceRegenerateAfterDueDate|\
RecurrenceRegenerateAfterToday|RecurrenceRegenerated
@Event 00U Event|Events
WhoId reference(Contact,Lead) cascade in:Events
{_WHAT.format("Events")}
Subject combobox(255) name open = Call|Email|Meeting|Send Letter/Quote|Other
Location string(255)
IsAllDayEvent boolean
ActivityDateTime datetime open
ActivityDate date open
DurationInMinutes int open
StartDateTime datetime open
EndDateTime datetime open
EndDate date ro
Description textarea(32000)
AccountId reference(Account) ro as:Account
{_OWNER}
IsPrivate boolean open
ShowAs picklist(40) strict def open = *Busy|OutOfOffice|Free
IsChild boolean ro
IsGroupEvent boolean ro
GroupEventType picklist(40) ro strict def = *0|1|2|3
IsArchived boolean ro
{_RECURRENCE.format("Event", "StartDateTime datetime")}
ReminderDateTime datetime open
IsReminderSet boolean open
EventSubtype picklist(40) noup strict open = *Event
IsRecurrence2Exclusion boolean ro
Recurrence2PatternText textarea(512) noup
Recurrence2PatternVersion picklist(40) ro strict = 1|2
IsRecurrence2 boolean ro
IsRecurrence2Exception boolean ro
Recurrence2PatternStartDate datetime ro
Recurrence2PatternTimeZone string(255) ro
@TaskRelation 0RT Task Relation|Task Relations noupdate noundelete noaudit
RelationId reference(Account,Campaign,Case,Contact,Lead,Opportunity,*__c) req noup cascade in:TaskRelations
TaskId reference(Task) req noup cascade in:TaskRelations
IsWhat boolean noup
AccountId reference(Account) ro as:Account
@EventRelation 0RE Event Relation|Event Relations noundelete noaudit
RelationId reference(Account,Campaign,Case,Contact,Lead,Opportunity,User,*__c) req noup cascade \
in:EventRelations
EventId reference(Event) req noup cascade in:EventRelations
IsWhat boolean noup
IsParent boolean noup
IsInvitee boolean noup
AccountId reference(Account) ro as:Account
Status picklist(40) strict def = *New|Declined|Accepted|Uninvited|Maybe
RespondedDate datetime
Response string(255)
{"".join(_HISTORY.format(history, object, field, object) for object, (history, field) in HISTORIES.items())}
@OpportunityHistory 008 Opportunity History|Opportunity History readonly noprefix born
OpportunityId reference(Opportunity) req ro cascade in:OpportunityHistories
StageName picklist(255) req ro
Amount currency(18,2) ro
ExpectedRevenue currency(18,2) ro
CloseDate date ro
Probability percent(3,0) ro
ForecastCategory picklist(40) ro strict = Omitted|Pipeline|BestCase|MostLikely|Forecast|Closed
PrevAmount currency(18,2) ro
PrevCloseDate date ro
SystemModstamp datetime req ro def
"""

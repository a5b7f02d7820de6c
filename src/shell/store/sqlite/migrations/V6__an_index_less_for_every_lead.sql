-- A person's leads are found by (campaign, person, number), one campaign after the other: there are few of those, and a million leads.
DROP INDEX lead_of_person;

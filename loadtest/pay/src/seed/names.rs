//! Words that seeded members and banks are named with, from several scripts on purpose: a join
//! that counts bytes where it should count characters shows at once.

pub(super) const GIVEN: [&str; 24] = [
    "Amara", "Björn", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hiroshi", "Ines", "José",
    "Keiko", "Łukasz", "Mei", "Nadia", "Omar", "Priya", "Quentin", "Rosa", "Søren", "Thandi",
    "Ümit", "Violeta", "지우", "Zoë",
];

pub(super) const FAMILY: [&str; 24] = [
    "Adeyemi",
    "Bergström",
    "Castillo",
    "D'Souza",
    "Eriksen",
    "Fontaine",
    "García",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Müller",
    "Nguyen",
    "O'Brien",
    "Petrov",
    "Quiroga",
    "Rossi",
    "佐藤",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weiß",
    "Yılmaz",
];

pub(super) const COUNTRIES: [&str; 12] = [
    "AE", "BR", "DE", "FR", "GB", "IN", "JP", "KR", "MX", "NG", "PL", "US",
];

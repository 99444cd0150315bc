-- Who a user is at an OpenID provider; none for one who signs in with a name and a password.

ALTER TABLE user ADD COLUMN issuer TEXT;
ALTER TABLE user ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX user_by_identity ON user (issuer, subject);

"""What the database itself refuses: a second decider who is the first, and any change of the history."""

from django.db import migrations

DIFFERENT_DECIDERS = """
ALTER TABLE moderation_decision
    ADD CONSTRAINT decision_id_with_decider UNIQUE (id, decider);
ALTER TABLE moderation_decision
    ADD CONSTRAINT earlier_decider_is_true FOREIGN KEY (earlier_id, earlier_decider)
    REFERENCES moderation_decision (id, decider) DEFERRABLE INITIALLY DEFERRED;
"""
DIFFERENT_DECIDERS_BACK = """
ALTER TABLE moderation_decision DROP CONSTRAINT earlier_decider_is_true;
ALTER TABLE moderation_decision DROP CONSTRAINT decision_id_with_decider;
"""

APPEND_ONLY = """
CREATE FUNCTION moderation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history in % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON moderation_event
    FOR EACH ROW EXECUTE FUNCTION moderation_refuse_change();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON moderation_event
    FOR EACH STATEMENT EXECUTE FUNCTION moderation_refuse_change();
CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE ON moderation_seal
    FOR EACH ROW EXECUTE FUNCTION moderation_refuse_change();
CREATE TRIGGER seal_no_truncate BEFORE TRUNCATE ON moderation_seal
    FOR EACH STATEMENT EXECUTE FUNCTION moderation_refuse_change();
"""
APPEND_ONLY_BACK = """
DROP TRIGGER event_append_only ON moderation_event;
DROP TRIGGER event_no_truncate ON moderation_event;
DROP TRIGGER seal_append_only ON moderation_seal;
DROP TRIGGER seal_no_truncate ON moderation_seal;
DROP FUNCTION moderation_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("moderation", "0001_initial")]
    operations = [
        migrations.RunSQL(DIFFERENT_DECIDERS, DIFFERENT_DECIDERS_BACK),
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_BACK),
    ]
